from ._errors import *
from ._errors import ProtocolViolation
from ._message import Message
