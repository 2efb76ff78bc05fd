// Packages of a test: what is asked of the API, and waiting for one that is being made without asking all the time.
import { queryOptions, type QueryClient } from "@tanstack/react-query";
import { call } from "../../../api/call";
import type { Package } from "../../../api/types";
import type { GetPackageResponseJson } from "../../../gen/assay/v1/package_service_pb";

const ALL = ["PACKAGE_STATE_GENERATING", "PACKAGE_STATE_READY", "PACKAGE_STATE_FAILED", "PACKAGE_STATE_EXPIRED"] as const;
/** How long the server holds an answer back while a package is being made. */
const WAIT = "20s";
/** Between two such answers. */
const PAUSE_MS = 500;

/** All packages of a test, newest first. */
export const packagesQuery = (testId: string) =>
  queryOptions({
    queryKey: ["packages", testId],
    queryFn: async ({ signal }) => (await call("PackageService", "listPackages", { pageSize: 100, filter: { testId, states: [...ALL] } }, signal)).packages ?? [],
  });

const isMaking = (one: Package | undefined): boolean => one?.state === "PACKAGE_STATE_GENERATING";

/** One package with its files and a link; while it is being made the server answers when it is ready, or after 20 s. */
export const packageQuery = (client: QueryClient, packageId: string) =>
  queryOptions({
    queryKey: ["package", packageId],
    queryFn: ({ signal }): Promise<GetPackageResponseJson> => {
      const known = client.getQueryData<GetPackageResponseJson>(["package", packageId]);
      return call("PackageService", "getPackage", { packageId, ...(isMaking(known?.package) ? { wait: WAIT } : {}) }, signal);
    },
    refetchInterval: (query) => (isMaking(query.state.data?.package) && !query.state.error ? PAUSE_MS : false),
  });
