"""Files that go with tests: projects, inputs, and what agents left. Taken in, checked, handed out."""
