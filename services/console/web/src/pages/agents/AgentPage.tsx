import { PageHeader } from "../../components/feedback";

export function AgentPage() {
  return <PageHeader title="AgentPage" />;
}
