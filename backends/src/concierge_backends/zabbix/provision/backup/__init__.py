"""Back-up and restore over the API, into the same server or another one.

`references` puts names in the place of ids, and ids of the other server in the place of names; `steps` does so with
actions, which Zabbix itself neither exports nor imports; `save` writes everything down, `restore` brings it back.
Users and secrets are not in a back-up.
"""
