import { PageHeader } from "../../components/feedback";

export function AgentsPage() {
  return <PageHeader title="AgentsPage" />;
}
