// The states of a deployment package in words and colours. The only table of them.
import type { Package } from "../api/types";

type PackageState = NonNullable<Package["state"]>;

const LOOKS: Partial<Record<PackageState, { word: string; color: string }>> = {
  PACKAGE_STATE_GENERATING: { word: "being made", color: "blue" },
  PACKAGE_STATE_READY: { word: "ready", color: "green" },
  PACKAGE_STATE_FAILED: { word: "failed", color: "red" },
  PACKAGE_STATE_EXPIRED: { word: "removed", color: "gray" },
};

/** States in the order of life. */
export const PACKAGE_STATES = Object.keys(LOOKS) as PackageState[];

export const lookOfPackage = (state: PackageState | undefined): { word: string; color: string } => (state && LOOKS[state]) ?? { word: "unknown", color: "gray" };

/** The state as an address has it: "ready". */
export const shortPackageState = (state: PackageState): string => state.replace("PACKAGE_STATE_", "").toLowerCase();
