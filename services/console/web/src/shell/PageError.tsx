import type { ErrorComponentProps } from "@tanstack/react-router";
import { ErrorBox } from "../components/feedback";

/** A fault of the page itself, or a part of it that could not be fetched (after an upgrade of the console). */
export function PageError({ error, reset }: ErrorComponentProps) {
  const message = error instanceof Error ? error.message : String(error);
  const stale = /dynamically imported module|Failed to fetch/i.test(message);
  return (
    <ErrorBox
      title={stale ? "The console was upgraded or is away" : "This page has a fault"}
      error={stale ? new Error("A part of this page could not be loaded. Load the page again.") : error}
      onRetry={stale ? () => window.location.reload() : reset}
    />
  );
}
