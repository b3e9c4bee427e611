"""The real peers of Concierge, for tests and the demo: Docker, Zabbix, Prometheus.

Run as ``python3 -m tests.peers`` with nothing but the system's Python. From the top floor down, no arrow up:

    __main__   the command line and the environment
    runner     start together, run a command, stop everything
    docker · zabbix · prometheus      one peer each: ``start(house, room, stack) -> variables``
    engine · images · swarm           parts of docker
    postgres · frontend               parts of zabbix
    install → debian                  packages unpacked into folders of our own
    process · house                   children, ports; folders, locks, what a killed run left behind
"""
