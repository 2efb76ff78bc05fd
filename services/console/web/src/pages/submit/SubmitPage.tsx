import { PageHeader } from "../../components/feedback";

export function SubmitPage() {
  return <PageHeader title="SubmitPage" />;
}
