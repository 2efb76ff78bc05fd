import { PageHeader } from "../../components/feedback";

export function LimitsPage() {
  return <PageHeader title="LimitsPage" />;
}
