import type { ReactNode } from "react";
import { useSession } from "../../api/session";
import { Empty } from "../../components/feedback";

/** The server refuses others anyway; here is what they are told. */
export function AdminOnly({ children }: { children: ReactNode }) {
  const { isAdmin } = useSession();
  return isAdmin ? children : <Empty title="This page is for admins">Your key has the role user. Ask an admin for what you need to know.</Empty>;
}
