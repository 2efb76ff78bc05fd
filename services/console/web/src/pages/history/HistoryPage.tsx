import { PageHeader } from "../../components/feedback";

export function HistoryPage() {
  return <PageHeader title="HistoryPage" />;
}
