import { Outlet } from "@tanstack/react-router";
import { useSession } from "../../api/session";
import { Empty } from "../../components/feedback";

/** Around every page for admins, once, in the router. The server refuses others anyway; here is what they are told. */
export function AdminOnly() {
  const { isAdmin } = useSession();
  return isAdmin ? <Outlet /> : <Empty title="This page is for admins">Your key has the role user. Ask an admin for what you need to know.</Empty>;
}
