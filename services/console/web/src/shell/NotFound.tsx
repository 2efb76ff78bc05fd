import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Empty } from "../components/feedback";

export function NotFound() {
  return (
    <Empty title="There is no such page" heading>
      The address may be incomplete.
      <br />
      <Button component={Link} to="/tests" mt="md" variant="default">
        To the tests
      </Button>
    </Empty>
  );
}
