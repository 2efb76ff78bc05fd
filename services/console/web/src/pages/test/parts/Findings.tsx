import { useQuery } from "@tanstack/react-query";
import type { Finding } from "../../../api/types";
import { FindingList } from "../../../components/FindingList";
import { findingsKey } from "./findings";

/** What was noticed when this test was submitted in this tab. */
export function Findings({ testId }: { testId: string }) {
  const { data } = useQuery<Finding[]>({ queryKey: findingsKey(testId), queryFn: () => [], enabled: false, initialData: undefined });
  return <FindingList findings={data ?? []} label="Noticed at submission" />;
}
