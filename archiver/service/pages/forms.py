"""What forms of the console send: nothing without a limit. An empty field is an empty text."""

from typing import Annotated, Any

from fastapi import Depends, Form, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from archiver.service.admission import Served, Visited
from archiver.service.pages.framing import Frame

Short = Annotated[str, Field(max_length=300)]
Text = Annotated[str, Field(max_length=1_000)]
Address = Annotated[str, Field(max_length=4_096)]
Sealed = Annotated[str, Query(max_length=4_096)]
Back = Annotated[str, Query(max_length=4_096)]


class Sent(BaseModel):
    """What every form sends."""

    model_config = ConfigDict(frozen=True)

    csrf: Short = ""


class LoginSent(Sent):
    """Who somebody says he is."""

    name: Short = ""
    password: Text = ""
    code: Short = ""
    back: Address = "/"


class CodeSent(Sent):
    """A fresh code."""

    code: Short = ""
    back: Address = "/"


class SearchSent(Sent):
    """The search page."""

    q: Text = ""
    purpose: Text = ""
    case: Text = ""
    kind: Short = ""
    first: Annotated[str, Field(alias="from", max_length=20)] = ""
    last: Annotated[str, Field(alias="to", max_length=20)] = ""
    amount: Short = ""
    product: Text = ""
    channel: Text = ""
    source: Short = ""

    def told(self) -> dict[str, Any]:
        """Return it by the names of `archiver.service.pages.asked.Asked`."""
        return {**self.model_dump(exclude={"csrf", "q"}), "typed": self.q}


class RevealSent(Sent):
    """A step of the reveal dialog."""

    o: Address = ""
    q: Address = ""
    case: Short = ""
    code: Short = ""


class DecisionSent(Sent):
    """What becomes of a request."""

    number: Annotated[int, Field(ge=1, le=2**31 - 1)]
    decision: Short = ""
    code: Short = ""


class NewOperatorSent(Sent):
    """Somebody who will be an operator, or has lost his phone."""

    name: Short = ""
    role: Short = ""
    password: Text = ""
    code: Short = ""


class NameSent(Sent):
    """An operator."""

    name: Short = ""
    code: Short = ""


class SubjectSent(Sent):
    """Whose block is lifted."""

    subject: Short = ""
    code: Short = ""


class QuestionSent(Sent):
    """A question, sealed."""

    question: Address = ""


class StartSent(QuestionSent):
    """An export."""

    format: Short = ""


class JobSent(Sent):
    """A file that is ready."""

    job: Short = ""


def frame_of(request: Request, service: Served, visited: Visited) -> Frame:
    """Return a request as its page needs it."""
    return Frame(request=request, service=service, visitor=visited)


Framed = Annotated[Frame, Depends(frame_of)]
LoginForm = Annotated[LoginSent, Form()]
CodeForm = Annotated[CodeSent, Form()]
SearchForm = Annotated[SearchSent, Form()]
PlainForm = Annotated[Sent, Form()]
RevealForm = Annotated[RevealSent, Form()]
DecisionForm = Annotated[DecisionSent, Form()]
NewOperatorForm = Annotated[NewOperatorSent, Form()]
NameForm = Annotated[NameSent, Form()]
SubjectForm = Annotated[SubjectSent, Form()]
QuestionForm = Annotated[QuestionSent, Form()]
StartForm = Annotated[StartSent, Form()]
JobForm = Annotated[JobSent, Form()]
