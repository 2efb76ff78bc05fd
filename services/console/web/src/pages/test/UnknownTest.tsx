// An address that leads to no test that the reader may see.
import { Empty, PageHeader } from "../../components/feedback";
import { AnchorLink } from "../../components/links";
import { isTestId } from "./search";

export function UnknownTest({ testId }: { testId: string }) {
  return (
    <>
      <PageHeader title="No such test" />
      <Empty title={isTestId(testId) ? "There is no such test among yours" : "This is no id of a test"}>
        {isTestId(testId)
          ? "It does not exist, or it belongs to another user. Check the address, or whom you are signed in as."
          : "An id is tst_ and 32 hexadecimal digits."}{" "}
        <AnchorLink underline="always" to="/tests">To your tests</AnchorLink>
      </Empty>
    </>
  );
}
