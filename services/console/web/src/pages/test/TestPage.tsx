import { PageHeader } from "../../components/feedback";

export function TestPage() {
  return <PageHeader title="TestPage" />;
}
