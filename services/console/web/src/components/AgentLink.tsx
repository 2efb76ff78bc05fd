import type { ComponentProps } from "react";
import { useSession } from "../api/session";
import { AnchorLink } from "./links";

/** To the page of an agent. Two users may have agents of the same id: for an admin the address says whose. */
export function AgentLink({ agentId, userId, ...props }: { agentId: string; userId: string | undefined } & Omit<ComponentProps<typeof AnchorLink>, "to" | "params" | "search">) {
  const { isAdmin } = useSession();
  return <AnchorLink {...props} to="/agents/$agentId" params={{ agentId }} search={isAdmin && userId ? { user: userId } : {}} />;
}
