"""What stands between a monitoring system's word and Docker's child.

webhook  until it is stored, against a bare handler      sender  webhooks by the thousand, as cheap as can be
start    from a command to Docker's child                bare    the handler: FastAPI, and one publish
idle     what a thousand services cost at rest           part    a service of Concierge in a process of its own
"""
