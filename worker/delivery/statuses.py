"""What a receiver's status of one stored object means, the same for C-STORE and STOW-RS.

| status | what it is | here |
|---|---|---|
| 0000 | success | stored |
| 0001, Bxxx | warning: coerced, elements discarded | stored, noted in the log |
| 0111 | duplicate SOP instance | stored: the same UID is the same object |
| A7xx, 0213 | out of resources | `receiver_busy`, tried again |
| Cxxx, 0110 | cannot understand, processing failure | `object_not_understood`, tried again |
| A9xx, 01xx | does not match its SOP class, class not supported, not authorised | `object_refused`, dead |

Sources: PS3.4 Table B.2-1 (C-STORE), PS3.7 Annex C (general statuses), PS3.18 Annex I (STOW-RS).
"""

from service.contracts.delivery_errors import DeliveryFailed, ObjectNotUnderstood, ObjectRefused, ReceiverBusy

SUCCESS = 0x0000
DUPLICATE = 0x0111
PROCESSING_FAILURE = 0x0110
RESOURCE_LIMITATION = 0x0213


def is_stored(status: int) -> bool:
    """True when the receiver has the object, warned or not."""
    return status in (SUCCESS, 0x0001, DUPLICATE) or 0xB000 <= status <= 0xBFFF


def failure_of(status: int, kind: str) -> DeliveryFailed:
    """The named failure of a status that is not one of success; says the status and the object's kind."""
    text = f"expected each object to be stored, saw status {status:04X} for one of kind {kind}"
    if 0xA700 <= status <= 0xA7FF or status == RESOURCE_LIMITATION:
        return ReceiverBusy(text)
    if 0xC000 <= status <= 0xCFFF or status == PROCESSING_FAILURE:
        return ObjectNotUnderstood(text)
    return ObjectRefused(text)
