// One package: progress, failure, files, download, its link, and when it is removed.
import { Alert, Button, Group, Loader, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { call } from "../../../api/call";
import type { DownloadLink } from "../../../api/types";
import { CopyButton } from "../../../components/CopyButton";
import { ErrorBox, Loading } from "../../../components/feedback";
import { FileTable } from "../../../components/FileTable";
import { DownloadIcon, RetryIcon } from "../../../components/icons";
import { formatBytes, formatCount } from "../../../components/numbers";
import { Time, useNow } from "../../../time/times";
import { FailureBox } from "../parts/FailureBox";
import { leftUntil } from "../words";
import { packageQuery } from "./packages";

/** The console counts a download when all of it has gone out: the number is read again a while after the click. */
const COUNTED_AFTER_MS = 3000;

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text component="div" className="break">
        {children}
      </Text>
    </div>
  );
}

function Link({ packageId, first }: { packageId: string; first: DownloadLink | undefined }) {
  const now = useNow();
  const refresh = useMutation({ mutationFn: () => call("PackageService", "refreshDownloadUrl", { packageId }) });
  const link = refresh.data?.link ?? first;
  const left = leftUntil(link?.expireTime, now);
  return (
    <Stack gap={4} align="flex-start">
      <Text size="sm" role="status">
        {link && left !== null
          ? `A link for a shell or a deployment without an account works for ${left} more. Whoever has it can download.`
          : "The link for a shell or a deployment has ended."}
      </Text>
      <Group gap="xs">
        {link?.url && left !== null && <CopyButton text={link.url} label="Copy the link" />}
        <Button size="compact-sm" variant="default" loading={refresh.isPending} onClick={() => refresh.mutate()} leftSection={<RetryIcon width={14} aria-hidden />}>
          Make a new link
        </Button>
      </Group>
      {refresh.error ? <ErrorBox error={refresh.error} title="No new link was made" onRetry={() => refresh.mutate()} /> : null}
    </Stack>
  );
}

export function PackagePanel({ packageId, onAgain }: { packageId: string; onAgain: () => void }) {
  const client = useQueryClient();
  const found = useQuery(packageQuery(client, packageId));
  const one = found.data?.package;
  const [clicks, setClicks] = useState(0);
  useEffect(() => {
    if (clicks === 0) return undefined;
    const timer = setTimeout(() => void client.invalidateQueries({ queryKey: ["package", packageId] }), COUNTED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [clicks, client, packageId]);
  const now = useNow(1000, one?.expireTime !== undefined || one?.state === "PACKAGE_STATE_GENERATING");

  if (found.isPending) return <Loading label="Loading the package" />;
  if (!one) return <ErrorBox error={found.error ?? new Error("The package could not be read.")} title="The package could not be read" onRetry={() => void found.refetch()} />;
  const left = leftUntil(one.expireTime, now);
  const expired = one.state === "PACKAGE_STATE_EXPIRED" || (one.expireTime !== undefined && left === null);
  if (one.state === "PACKAGE_STATE_GENERATING") {
    return (
      <Stack>
        <Group role="status">
          <Loader size="sm" aria-hidden />
          <Text>The package is being made. It was asked for <Time value={one.createTime} />.</Text>
        </Group>
        {found.error ? <ErrorBox error={found.error} title="Its progress could not be read" onRetry={() => void found.refetch()} /> : null}
      </Stack>
    );
  }
  if (one.state === "PACKAGE_STATE_FAILED") {
    return (
      <Stack align="flex-start">
        {one.failure ? <FailureBox failure={one.failure} /> : <Text>It could not be made.</Text>}
        <Button variant="default" onClick={onAgain}>
          Make it again
        </Button>
      </Stack>
    );
  }
  if (expired) {
    return (
      <Alert color="gray" variant="light" title="The package was removed after its time">
        <Stack align="flex-start" gap="xs">
          <Text size="sm">Asking for it again with the same options makes the same package again.</Text>
          <Button variant="default" onClick={onAgain}>
            Make it again
          </Button>
        </Stack>
      </Alert>
    );
  }
  return (
    <Stack>
      <Group>
        <Button component="a" href={`/packages/${encodeURIComponent(packageId)}.zip`} download leftSection={<DownloadIcon width={16} aria-hidden />} onClick={() => setClicks(clicks + 1)}>
          Download ({formatBytes(one.sizeBytes)})
        </Button>
        <Text size="sm">
          Downloaded {formatCount(one.downloadCount)} {one.downloadCount === "1" ? "time" : "times"}
        </Text>
      </Group>
      <Text size="sm">How to run and deploy it stands in README.md in the ZIP.</Text>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
        <Fact label="Service">{one.options?.serviceName || "named after the agent"}</Fact>
        <Fact label="Port">{one.options?.port || 8080}</Fact>
        <Fact label="Load balancer">{one.options?.loadBalancer ? "yes" : "no"}</Fact>
        <Fact label="VPC">{one.options?.vpcId || "a new one"}</Fact>
        <Fact label="Made">
          <Time value={one.readyTime} />
        </Fact>
        <Fact label="Kept">{left === null ? "without an end" : `for ${left} more`}</Fact>
      </SimpleGrid>
      {one.sha256 && (
        <Group gap="xs">
          <Text size="sm" className="mono break">
            SHA-256 {one.sha256}
          </Text>
          <CopyButton text={one.sha256} aria-label="Copy the SHA-256 of the package" />
        </Group>
      )}
      <Link key={packageId} packageId={packageId} first={found.data?.link} />
      <section aria-label="Files of the package">
        <Text component="h3" fw={600} fz="sm" m={0} mb={4}>
          {formatCount(one.files?.length)} files
        </Text>
        <FileTable label="Files of the package" files={(one.files ?? []).map((file) => ({ path: file.path, size: file.sizeBytes, sha256: file.sha256 }))} />
      </section>
    </Stack>
  );
}
