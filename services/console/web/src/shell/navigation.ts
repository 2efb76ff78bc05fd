// The pages one can go to: for the navigation and the palette.
import type { ComponentType, SVGProps } from "react";
import { AgentIcon, CostIcon, HealthIcon, HistoryIcon, KeyIcon, LetterIcon, LimitsIcon, PackageIcon, PlusIcon, QueueIcon, UsageIcon } from "../components/icons";

export interface Place {
  to: "/tests" | "/submit" | "/agents" | "/packages" | "/queue" | "/admin/health" | "/admin/usage" | "/admin/cost" | "/admin/limits" | "/admin/keys" | "/admin/dead-letters";
  label: string;
  icon: ComponentType<SVGProps<SVGSVGElement>>;
  /** Second key after "g". */
  key: string;
  admin: boolean;
}

export const PLACES: Place[] = [
  { to: "/submit", label: "New test", icon: PlusIcon, key: "n", admin: false },
  { to: "/tests", label: "Tests", icon: HistoryIcon, key: "t", admin: false },
  { to: "/agents", label: "Agents", icon: AgentIcon, key: "a", admin: false },
  { to: "/packages", label: "Packages", icon: PackageIcon, key: "p", admin: false },
  { to: "/queue", label: "Queue", icon: QueueIcon, key: "q", admin: false },
  { to: "/admin/health", label: "Health", icon: HealthIcon, key: "h", admin: true },
  { to: "/admin/usage", label: "Usage", icon: UsageIcon, key: "u", admin: true },
  { to: "/admin/cost", label: "Cost", icon: CostIcon, key: "c", admin: true },
  { to: "/admin/limits", label: "Limits", icon: LimitsIcon, key: "l", admin: true },
  { to: "/admin/keys", label: "Keys", icon: KeyIcon, key: "k", admin: true },
  { to: "/admin/dead-letters", label: "Dead letters", icon: LetterIcon, key: "d", admin: true },
];
