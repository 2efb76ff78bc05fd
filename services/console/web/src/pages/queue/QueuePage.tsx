import { PageHeader } from "../../components/feedback";

export function QueuePage() {
  return <PageHeader title="QueuePage" />;
}
