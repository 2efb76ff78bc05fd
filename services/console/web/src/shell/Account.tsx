import { Button, Menu, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useSession } from "../api/session";

/** Who is signed in, and the way out. */
export function Account() {
  const session = useSession();
  const leave = () =>
    session.signOut().catch((error: unknown) =>
      notifications.show({ color: "red", title: "You are still signed in", message: error instanceof Error ? error.message : String(error) }),
    );
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button variant="default" size="sm" maw={160}>
          <Text size="sm" truncate>
            {session.userId}
          </Text>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.isAdmin ? "Admin" : "User"} · Assay {session.serverVersion}
        </Menu.Label>
        <Menu.Item onClick={() => void leave()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
