"""The templates as Zabbix imports and exports them: plain documents, one form a version. Pure.

From bottom to top: `shapes` builds one element; `enfield` is what a courier delivers, `container` what surrounds it,
`application` both together, `service` the aggregates, `examples` what to learn from; `document` is all of them as
one file; `yaml` writes it. Zabbix exports no field that has its default value, so none is written here either:
then a comparison with what the server has is empty when nothing differs.
"""
