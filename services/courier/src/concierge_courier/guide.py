"""What `--help` teaches."""

COURIER = """\
Reads all metrics of an application in one shot and publishes them to NATS; starts the application, too.

examples:
  concierge-courier run --service web --source dropwizard=http://127.0.0.1:8081/metrics -- java -jar app.jar
  concierge-courier run --service web --source dropwizard=/run/metrics.json --dry-run
  concierge-courier run --help
"""

RUN = """\
Starts COMMAND as its child, passes signals on to it and ends with its exit code. Meanwhile it reads every
source at once, publishes one snapshot per interval, says that the instance lives, and at the end why not.
Without COMMAND it does the same beside an application that somebody else starts.

usage: concierge-courier run [options] -- COMMAND [ARGUMENTS]

examples:
  in a container, as its first process:
    concierge-courier run --service web --source dropwizard=http://127.0.0.1:8081/metrics \\
        --nats nats://nats:4222 -- java -jar app.jar
  the same from the environment alone; a flag would win:
    CONCIERGE_SERVICE=web CONCIERGE_SOURCES=dropwizard=http://127.0.0.1:8081/metrics \\
    CONCIERGE_NATS__URL=nats://nats:4222 concierge-courier run -- java -jar app.jar
  beside it, from a file that it writes, every second:
    concierge-courier run --service web --source dropwizard=file:/run/metrics.json --interval 1s
  two sources of one kind have names:
    --source dropwizard:shop=http://127.0.0.1:8081/metrics --source dropwizard:jobs=http://127.0.0.1:8082/metrics
  its life: migrate first, a proxy beside it, judged by its health page, three times more when it dies:
    --pre-start 'app migrate' --coprocess 'proxy --quiet' --health http://127.0.0.1:8081/healthcheck \\
        --restarts on-failure:3 --post-stop 'app clean'
    they are no shell: for pipes and variables say sh -c '…'
  the container's own facts, its process, and endpoints that ask who is there or listen on a unix socket:
    --source container --source process --source dropwizard:web=https://127.0.0.1:8443/metrics \\
        --source-token-file web=/run/secrets/token --source dropwizard:jobs=unix:/run/jobs.sock:/metrics
  Prometheus's text, Spring Boot, paths of any JSON, what a command prints (in CONCIERGE_SOURCES in quotes):
    --source prometheus=http://127.0.0.1:9102/metrics --source spring=http://127.0.0.1:8080 \\
        --source 'json=http://127.0.0.1:8080/stats#queue,pools.*.free' --source 'exec=app stats --json'
  what would be sent? A table, or with --json the messages; nothing is published, nothing started:
    concierge-courier run --source dropwizard=http://127.0.0.1:8081/metrics --dry-run
  less of it, under shorter names; * is any text, ? any character, all else is itself:
    --include 'timer[com.example.*,p95]' --include 'gauge[*]' --exclude '*jetty*' --rename com.example.=
  a long outage of NATS, and a restart in the middle of it:
    --spool /var/lib/courier --spool-size 256m --spool-age 24h

environment: CONCIERGE_SERVICE, CONCIERGE_SOURCES (several with blanks), CONCIERGE_INTERVAL, …: the flag in
capitals; of NATS: CONCIERGE_NATS__URL, CONCIERGE_NATS__TOKEN_FILE, …
durations are written 500ms, 10s, 5m; sizes 512k, 4m.

exit codes: the application's own; 128 + n when signal n ended it; 127 it was not found, 126 it can't be
executed; that of --pre-start when it fails, 124 when its time was over; 2 the options are wrong.
"""

DISCOVER = """\
Prints the names of one kind of metric, read from the source now, as a Zabbix agent hands them on.

example:
  concierge-courier discover timer --source dropwizard=http://127.0.0.1:8081/metrics
  [{"{#NAME}":"com.example.Shop.checkout"}]

in the configuration of a Zabbix agent:
  UserParameter=concierge.discovery[*],concierge-courier discover "$1" 2>/dev/null

exit codes: 0; 1 a source could not be read, and nothing is printed: an empty list would delete items;
2 the options are wrong.
"""

DELIVER = """\
Takes one shot, publishes it and waits until the monitoring system has answered. Prints milliseconds from the
start of the read to that answer, -1 when it timed out, 0 when it failed.

example:
  concierge-courier deliver --service web --source dropwizard=http://127.0.0.1:8081/metrics
  14

in the configuration of a Zabbix agent, with CONCIERGE_SERVICE, CONCIERGE_SOURCES, CONCIERGE_NATS__URL set:
  UserParameter=courier.elapsed,concierge-courier deliver 2>/dev/null

exit codes: 0 delivered, 2 timed out (or the options are wrong, and nothing is printed), 1 failed.
"""

MAINTENANCE = """\
Tells the courier of this container that somebody works on the application: its heartbeats say so, and its
health is not judged until it is off again. A restart of the courier ends it, too.

example:
  docker exec shop-web-1 concierge-courier maintenance on

exit codes: 0; 1 no courier answers.
"""

ACTIONS = {
    "run": ("courier for as long as the application runs", RUN),
    "discover": ("print what can be measured", DISCOVER),
    "deliver": ("take one shot and wait for its receipt", DELIVER),
    "maintenance": ("say that the application is being worked on", MAINTENANCE),
}
