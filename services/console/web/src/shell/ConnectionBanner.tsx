import { Alert } from "@mantine/core";
import { useConnection } from "../api/events";
import { LostIcon } from "../components/icons";

/** Says that what is shown may be old, and that the page sees to it itself. */
export function ConnectionBanner() {
  const connection = useConnection();
  return (
    <div aria-live="polite">
      {connection === "lost" && (
        <Alert color="orange" variant="light" mb="md" icon={<LostIcon width={20} aria-hidden />} title="The connection to Assay is lost">
          What you see may be old. It is taken up again by itself, and nothing is missed.
        </Alert>
      )}
    </div>
  );
}
