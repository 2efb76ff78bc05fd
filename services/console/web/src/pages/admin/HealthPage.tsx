import { PageHeader } from "../../components/feedback";

export function HealthPage() {
  return <PageHeader title="HealthPage" />;
}
