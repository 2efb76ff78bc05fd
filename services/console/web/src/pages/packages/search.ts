// What the address of the packages says.
import { shortPackageState, PACKAGE_STATES } from "../../components/packageStates";

export interface PackagesSearch {
  /** Token of the page of packages. */
  page?: string;
  agent?: string;
  /** Short name of a state: "ready". Without it all but those that were removed. */
  state?: string;
}

export function packagesSearch(search: Record<string, unknown>): PackagesSearch {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const state = PACKAGE_STATES.map(shortPackageState).find((short) => short === search.state);
  return Object.fromEntries(Object.entries({ page: text(search.page), agent: text(search.agent), state }).filter(([, value]) => value !== undefined));
}
