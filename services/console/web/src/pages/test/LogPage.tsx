import { PageHeader } from "../../components/feedback";

export function LogPage() {
  return <PageHeader title="LogPage" />;
}
