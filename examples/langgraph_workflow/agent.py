"""A LangGraph graph without a model: sorts a support ticket, then takes the branch for its kind.

Every node prints what it does; the answer is the final state. With a model, only the body of `classify` would differ.
"""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph

URGENT = ("down", "broken", "cannot", "lost", "urgent")


class Ticket(TypedDict, total=False):
    """The state that goes through the graph."""

    text: str
    kind: str
    reply: str
    trail: list[str]


def classify(ticket: Ticket) -> Ticket:
    """Decide what kind of ticket this is."""
    kind = "incident" if any(word in ticket["text"].lower() for word in URGENT) else "question"
    print(f"INFO: classify -> {kind}")
    return {"kind": kind, "trail": ["classify"]}


def escalate(ticket: Ticket) -> Ticket:
    """Wake somebody up."""
    print("WARNING: escalate: paging the engineer on call")
    return {"reply": "We are looking into it right now.", "trail": [*ticket["trail"], "escalate"]}


def answer(ticket: Ticket) -> Ticket:
    """Reply from the handbook."""
    print("INFO: answer: found it in the handbook")
    return {"reply": "Please see chapter 3 of the handbook.", "trail": [*ticket["trail"], "answer"]}


graph = StateGraph(Ticket)
graph.add_node("classify", classify)
graph.add_node("escalate", escalate)
graph.add_node("answer", answer)
graph.add_edge(START, "classify")
graph.add_conditional_edges("classify", lambda ticket: "escalate" if ticket["kind"] == "incident" else "answer")
graph.add_edge("escalate", END)
graph.add_edge("answer", END)
workflow = graph.compile()


def run(query: str) -> Ticket:
    """Send the question through the graph, telling each step."""
    state: Ticket = {}
    for step in workflow.stream({"text": query}, stream_mode="values"):
        print(f"DEBUG: state has {', '.join(step)}")
        state = step
    return state
