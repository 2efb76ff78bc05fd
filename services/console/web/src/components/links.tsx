// Mantine's look with the router's addresses, checked by the compiler.
import { Anchor, Button, type AnchorProps, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { forwardRef, type ComponentPropsWithoutRef } from "react";

type Plain<P> = P & Omit<ComponentPropsWithoutRef<"a">, keyof P | "style" | "color">;

export const AnchorLink = createLink(forwardRef<HTMLAnchorElement, Plain<AnchorProps>>((props, ref) => <Anchor ref={ref} {...props} />));

export const ButtonLink = createLink(forwardRef<HTMLAnchorElement, Plain<ButtonProps>>((props, ref) => <Button component="a" ref={ref} {...props} />));
