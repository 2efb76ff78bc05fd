import { PageHeader } from "../../components/feedback";

export function CostPage() {
  return <PageHeader title="CostPage" />;
}
