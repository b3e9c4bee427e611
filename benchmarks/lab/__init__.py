"""The lab of the 2017 article: a container of 128 MB and a fifth of a core, 34,000 metrics, a real Zabbix.

documents   what there is to read       script      how it was delivered in 2017
box         a container, measured       monitoring  Zabbix with items for 22,000 of them
house       NATS and the forwarder      runs        deliveries, ours and the script's in turn
"""
