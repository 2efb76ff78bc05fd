import { Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { AnchorHTMLAttributes, Ref } from "react";

interface Props extends ButtonProps, Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps> {
  ref?: Ref<HTMLAnchorElement>;
}

/** A link within the page that looks like a button; takes `to`, `params` and `search` of the router. */
export const LinkButton = createLink(function LinkAsButton(props: Props) {
  return <Button component="a" {...props} />;
});
