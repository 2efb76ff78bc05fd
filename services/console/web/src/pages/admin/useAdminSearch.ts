import { useNavigate, useSearch } from "@tanstack/react-router";
import { adminSearch, type AdminSearch } from "./search";

/** The address of an admin's page, and how to change it. A change of what is listed starts at the first page. */
export function useAdminSearch(): [AdminSearch, (part: Partial<AdminSearch>) => void] {
  const search = adminSearch(useSearch({ strict: false }) as Record<string, unknown>);
  const navigate = useNavigate();
  const { page: _page, ...rest } = search;
  return [search, (part) => void navigate({ to: ".", search: adminSearch({ ...rest, ...part }) as never, replace: true })];
}
