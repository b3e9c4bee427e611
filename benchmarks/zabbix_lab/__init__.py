"""Concierge and Zabbix against what people had before, on real servers.

values   34,000 values and every form in which they travel      house   NATS, Concierge and a compose project
forward  how fast they get into Zabbix                          remote  the 2017 way: Zabbix calls Docker itself
react    value over the threshold → Docker → a container        engine  what Docker was told, and when, and what came of it
"""
