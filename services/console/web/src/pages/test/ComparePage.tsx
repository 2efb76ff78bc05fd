import { PageHeader } from "../../components/feedback";

export function ComparePage() {
  return <PageHeader title="ComparePage" />;
}
