import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useSession } from "../api/session";
import { WarningIcon } from "../components/icons";
import { troubleQuery } from "./trouble";

/** For admins: a sign on every page that a part of Assay is not well, and the way to the page that says which. */
export function Trouble() {
  const { isAdmin } = useSession();
  const { data: state } = useQuery({ ...troubleQuery, enabled: isAdmin });
  if (!state) return null;
  const words = state === "HEALTH_STATE_UNHEALTHY" ? "A part is down" : "Degraded";
  return (
    <Button className="trouble" aria-label={words} title={words} component={Link} to="/admin/health" color={state === "HEALTH_STATE_UNHEALTHY" ? "red" : "orange"} variant="light" leftSection={<WarningIcon width={16} aria-hidden />}>
      <Text span inherit visibleFrom="sm">
        {words}
      </Text>
    </Button>
  );
}
