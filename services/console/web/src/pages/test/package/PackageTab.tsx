// The deployment packages of a test: the newest one, older ones, and how to have one made.
import { Button, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Package, Test } from "../../../api/types";
import { Empty, ErrorBox, Loading } from "../../../components/feedback";
import { lookOfPackage } from "../../../components/packageStates";
import { hasEnded, hasPassed } from "../../../components/states";
import { PackageForm } from "./PackageForm";
import { PackagePanel } from "./PackagePanel";
import { packagesQuery } from "./packages";

function nameOfPackage(one: Package): string {
  return `${one.options?.serviceName || "package"}, ${lookOfPackage(one.state).word}, ${shortTime(one.createTime)}`;
}

const shortTime = (time: string | undefined): string => (time ? `${time.slice(0, 16).replace("T", " ")} UTC` : "");

export function PackageTab({ test }: { test: Test }) {
  const testId = test.id ?? "";
  const list = useQuery(packagesQuery(testId));
  const [chosen, setChosen] = useState("");
  const [asking, setAsking] = useState(false);
  if (list.isPending) return <Loading label="Loading the packages" />;
  if (list.error && !list.data) return <ErrorBox error={list.error} title="The packages could not be read" onRetry={() => void list.refetch()} />;
  const packages = list.data ?? [];
  const shown = chosen || packages[0]?.id || "";
  const canMake = hasPassed(test) && test.state === "TEST_STATE_COMPLETED";
  if (!shown && !canMake) {
    return (
      <Empty title="No package">
        {!hasEnded(test.state)
          ? "A package can be made when the test has passed."
          : test.state === "TEST_STATE_ARCHIVED"
            ? "The test was archived: no package can be made of it. Run it again for one."
            : "An agent is packaged from a test that it passed."}
      </Empty>
    );
  }
  const form = asking || !shown;
  return (
    <Stack>
      <Text component="h2" fw={600} fz="md" m={0}>
        {form ? "Make a deployment package" : "Deployment package"}
      </Text>
      {packages.length > 1 && !form && (
        <Select
          label="Package"
          maw={520}
          allowDeselect={false}
          value={shown}
          onChange={(value) => setChosen(value ?? "")}
          data={packages.map((one) => ({ value: one.id ?? "", label: nameOfPackage(one) }))}
        />
      )}
      {form ? (
        <>
          <Text size="sm">One reproducible ZIP with the agent, its requirements and all it needs to be deployed as a service.</Text>
          <PackageForm
            testId={testId}
            before={packages.find((one) => one.id === shown)?.options}
            onMade={(made) => {
              setChosen(made.id ?? "");
              setAsking(false);
            }}
          />
          {shown && (
            <Button variant="subtle" onClick={() => setAsking(false)} style={{ alignSelf: "flex-start" }}>
              Back to the package
            </Button>
          )}
        </>
      ) : (
        <>
          <PackagePanel key={shown} packageId={shown} onAgain={() => setAsking(true)} />
          {canMake && (
            <Button variant="default" onClick={() => setAsking(true)} style={{ alignSelf: "flex-start" }}>
              Make one with other options
            </Button>
          )}
        </>
      )}
    </Stack>
  );
}
