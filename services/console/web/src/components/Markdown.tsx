// Markdown that an agent wrote, as harmless elements: no HTML, no images from elsewhere, links that say where they lead.
// A chunk of its own: import it lazily.
import { Anchor, Box, Table, Text, Title, Typography } from "@mantine/core";
import type { ReactNode } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { visible } from "./bidi";

const ABSOLUTE = /^(https?:|mailto:)/i;

function Away({ href, children }: { href: string | undefined; children: ReactNode }) {
  // A relative link would lead to a page of this console: that is not for the agent to say.
  if (!href || !ABSOLUTE.test(href)) return <>{children}</>;
  return (
    <Anchor href={href} target="_blank" rel="noopener noreferrer nofollow" inherit underline="always" title={href}>
      {children}
    </Anchor>
  );
}

// The page has its own first and second headings: those of an answer come below them.
const heading = (order: 3 | 4 | 5 | 6) =>
  function Heading({ children }: { children?: ReactNode }) {
    return (
      <Title order={order} fz={24 - 2 * order} mt="sm" mb={4}>
        {children}
      </Title>
    );
  };

const PARTS: Components = {
  a: ({ href, children }) => <Away href={href}>{children}</Away>,
  img: ({ src, alt }) => (
    <Text span c="dimmed">
      [image{alt ? `: ${alt}` : ""}
      {typeof src === "string" && ABSOLUTE.test(src) ? <> – <Away href={src}>{src}</Away></> : null}]
    </Text>
  ),
  input: ({ checked }) => <span>{checked ? "☑ " : "☐ "}</span>,
  table: ({ children }) => (
    <Table.ScrollContainer minWidth={300} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Table of the answer" } }}>
      <Table withTableBorder withColumnBorders>
        {children}
      </Table>
    </Table.ScrollContainer>
  ),
  pre: ({ children }) => (
    <Box component="pre" tabIndex={0} style={{ overflow: "auto" }}>
      {children}
    </Box>
  ),
  h1: heading(3),
  h2: heading(3),
  h3: heading(4),
  h4: heading(5),
  h5: heading(6),
  h6: heading(6),
};

export default function Markdown({ text }: { text: string }) {
  return (
    <Typography className="break markdown">
      <ReactMarkdown remarkPlugins={[remarkGfm]} rehypePlugins={[rehypeSanitize]} components={PARTS}>
        {visible(text)}
      </ReactMarkdown>
    </Typography>
  );
}
