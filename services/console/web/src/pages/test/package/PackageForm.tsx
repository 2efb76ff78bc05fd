// The options of a new package.
import { Button, Checkbox, Group, NumberInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { ApiError, call } from "../../../api/call";
import { newRequestId } from "../../../api/requestId";
import type { Package } from "../../../api/types";
import { ErrorBox } from "../../../components/feedback";
import { PackageIcon } from "../../../components/icons";
import type { PackageOptionsJson as PackageOptions } from "../../../gen/assay/v1/package_service_pb";

interface Props {
  testId: string;
  /** Options to start from. */
  before?: PackageOptions | undefined;
  onMade: (made: Package) => void;
}

export function PackageForm({ testId, before, onMade }: Props) {
  const client = useQueryClient();
  const [name, setName] = useState(before?.serviceName ?? "");
  const [port, setPort] = useState<number | string>(before?.port ?? "");
  const [balancer, setBalancer] = useState(before?.loadBalancer ?? false);
  const [vpc, setVpc] = useState(before?.vpcId ?? "");
  const sent = useRef({ id: "", options: "" });
  const make = useMutation({
    mutationFn: () => {
      const options: PackageOptions = {
        ...(name.trim() ? { serviceName: name.trim() } : {}),
        ...(port === "" ? {} : { port: Number(port) }),
        ...(balancer ? { loadBalancer: true } : {}),
        ...(vpc.trim() ? { vpcId: vpc.trim() } : {}),
      };
      const words = JSON.stringify(options);
      if (!sent.current.id || sent.current.options !== words) sent.current = { id: newRequestId(), options: words };
      return call("PackageService", "generatePackage", { testId, options, requestId: sent.current.id });
    },
    onSuccess: (answer) => {
      // The next request after one that was taken is a new one: an expired package is made again by it.
      sent.current = { id: "", options: "" };
      if (!answer.package?.id) return;
      client.setQueryData(["package", answer.package.id], answer);
      void client.invalidateQueries({ queryKey: ["packages", testId] });
      onMade(answer.package);
    },
  });
  const wrong = (field: string) => (make.error instanceof ApiError ? make.error.violations.find((one) => one.field.endsWith(field))?.description : undefined);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!make.isPending) make.mutate();
      }}
    >
      <Stack maw={520}>
        <TextInput label="Name of the service" description="Small letters, digits and hyphens. Empty: made from the agent’s name." value={name} onChange={(event) => setName(event.currentTarget.value)} error={wrong("service_name")} />
        <NumberInput label="Port" description="On which the container answers queries. Empty: 8080." min={1} max={65535} allowDecimal={false} value={port} onChange={setPort} error={wrong("port")} />
        <TextInput label="VPC" description="Deploy into this one, such as vpc-0123456789abcdef0. Empty: a new one." value={vpc} onChange={(event) => setVpc(event.currentTarget.value)} error={wrong("vpc_id")} />
        <Checkbox label="Put a load balancer in front of the service" checked={balancer} onChange={(event) => setBalancer(event.currentTarget.checked)} />
        {make.error ? <ErrorBox error={make.error} title="No package was made" /> : null}
        <Group>
          <Button type="submit" loading={make.isPending} leftSection={<PackageIcon width={16} aria-hidden />}>
            Make the package
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
