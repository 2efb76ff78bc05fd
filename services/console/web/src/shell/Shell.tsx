// The frame of every page: navigation, switches, palette, what is wrong with the connection. Knows no page's content.
import { ActionIcon, AppShell, Burger, Button, Divider, Group, NavLink, SegmentedControl, Stack, Text, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, Outlet, useLocation, useRouterState } from "@tanstack/react-router";
import { Suspense, useEffect, useRef } from "react";
import { useSession } from "../api/session";
import { Loading } from "../components/feedback";
import { MoonIcon, SearchIcon, SunIcon } from "../components/icons";
import { useTimes, type TimeStyle } from "../time/times";
import { Account } from "./Account";
import { ConnectionBanner } from "./ConnectionBanner";
import { PLACES } from "./navigation";
import { Palette, openPalette } from "./Palette";
import { Shortcuts } from "./Shortcuts";
import { Trouble } from "./Trouble";

function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const next = scheme === "dark" ? "light" : "dark";
  return (
    <ActionIcon variant="default" size="lg" aria-label={`Use the ${next} theme`} title={`Use the ${next} theme`} onClick={() => setColorScheme(next)}>
      {scheme === "dark" ? <SunIcon width={18} aria-hidden /> : <MoonIcon width={18} aria-hidden />}
    </ActionIcon>
  );
}

function TimeSwitch() {
  const { style, setStyle } = useTimes();
  return (
    <SegmentedControl
      size="xs"
      fullWidth
      aria-label="How times are shown"
      value={style}
      onChange={(value) => setStyle(value as TimeStyle)}
      data={[
        { value: "relative", label: "Ago" },
        { value: "local", label: "Local" },
        { value: "utc", label: "UTC" },
      ]}
    />
  );
}

function Navigation({ onGo }: { onGo: () => void }) {
  const { isAdmin } = useSession();
  const path = useLocation({ select: (location) => location.pathname });
  const link = (place: (typeof PLACES)[number]) => {
    const Icon = place.icon;
    const active = path === place.to || path.startsWith(`${place.to}/`);
    return (
      <NavLink
        key={place.to}
        component={Link}
        to={place.to}
        label={place.label}
        leftSection={<Icon width={18} aria-hidden />}
        active={active}
        aria-current={active ? "page" : undefined}
        onClick={onGo}
      />
    );
  };
  return (
    <Stack gap={2}>
      {PLACES.filter((place) => !place.admin).map(link)}
      {isAdmin && (
        <>
          <Divider my="xs" label="Admin" labelPosition="left" />
          {PLACES.filter((place) => place.admin).map(link)}
        </>
      )}
    </Stack>
  );
}

export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    // Whoever goes by keyboard starts at the new page, not in the navigation of the old one.
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 200, breakpoint: "sm", collapsed: { mobile: !opened } }} padding="md">
      <a className="skip" href="#main">
        To the content
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="xs">
          <Group gap="xs" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={opened ? "Close the navigation" : "Open the navigation"} />
            <Text component={Link} to="/tests" fw={800} fz={20} c="inherit" td="none">
              Assay
            </Text>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Trouble />
            <Button variant="default" leftSection={<SearchIcon width={16} aria-hidden />} onClick={openPalette} aria-keyshortcuts="Control+K" visibleFrom="xs">
              Go to…{" "}
              <Text component="kbd" size="xs" c="dimmed" ml={8}>
                Ctrl K
              </Text>
            </Button>
            <ActionIcon variant="default" size="lg" hiddenFrom="xs" aria-label="Go to…" onClick={openPalette}>
              <SearchIcon width={18} aria-hidden />
            </ActionIcon>
            <ThemeSwitch />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages">
        <AppShell.Section grow>
          <Navigation onGo={close} />
        </AppShell.Section>
        <AppShell.Section pt="sm">
          <Text size="xs" c="dimmed" mb={4}>
            Times
          </Text>
          <TimeSwitch />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1} style={{ outline: "none" }}>
        <ConnectionBanner />
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </AppShell.Main>
      <Palette />
      <Shortcuts />
    </AppShell>
  );
}
