"""Pure decisions and tables: no input or output, no clock, no asyncio."""
