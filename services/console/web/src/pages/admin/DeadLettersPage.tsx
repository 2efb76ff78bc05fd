import { PageHeader } from "../../components/feedback";

export function DeadLettersPage() {
  return <PageHeader title="DeadLettersPage" />;
}
