# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_wireline_global_optspecs
    string join \n config= check addr= workers= max-connections= max-connections-per-address= public-url= h2c= proxy-protocol= trusted-proxy= trusted-field= redirect-http= log= access-log= access-log-format= metrics= metrics-addr= backplane= backplane-ca= backplane-credentials= backplane-prefix= backplane-history= backplane-ready= tls-cert= tls-key= tls-self-signed= tls-client-ca= auth-jwt-secret= auth-jwks-file= auth-issuer= auth-audience= auth-api-keys= auth-required= relay-on= relay-path= relay-origins= relay-unmatched= relay-topics= relay-token-topics= relay-presence= relay-max-message= relay-max-subscriptions= relay-messages-per-second= relay-octets-per-second= relay-subscriptions-per-second= relay-topic-capacity= relay-max-waiting= relay-max-history= history= register-on= register-topics= register-reply-pong= register-max-clients= register-max-clients-per-user= register-max-topics= register-max-message= register-unconnected= socketio-on= socketio-path= socketio-namespaces= socketio-max-rooms= socketio-max-payload= socketio-adapter= socketio-adapter-key= api-on= api-keys= api-hosts= console-on= h/help V/version
end

function __fish_wireline_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_wireline_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_wireline_using_subcommand
    set -l cmd (__fish_wireline_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c wireline -n "__fish_wireline_needs_command" -l config -d 'Read settings from this TOML file; the environment is stronger, and flags are stronger still.' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l addr -d 'Where to listen. Port 0 takes a free one. [default: 127.0.0.1:8000] May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l workers -d 'Worker threads; one for each core unless it is set.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l max-connections -d 'The most connections at the same time; further ones are answered 503. [default: 1024]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l max-connections-per-address -d 'The most connections at the same time of one IPv4 address or IPv6 /64, loopback aside; no limit unless it is set.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l public-url -d 'The address that clients know the server by, such as https://push.example: what stands in the addresses that the register service gives. Unless it is set, that is the address that a client has connected to.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l h2c -d 'Speak HTTP/2 without TLS, too, with clients that begin with it (prior knowledge). [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l proxy-protocol -d 'Every connection comes from a proxy at one of these networks and begins with a header of the PROXY protocol. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l trusted-proxy -d 'Take the word of proxies at these networks on who their clients are. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l trusted-field -d 'Where those proxies say it. [default: x-forwarded-for]' -r -f -a "x-forwarded-for\t''
forwarded\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l redirect-http -d 'Listen here in plain HTTP, too, and send everybody to https at the port of the first addr.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l log -d 'Write spans and events to stderr in this form; RUST_LOG says which (info unless it is set). No log unless it is set.' -r -f -a "text\t''
json\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l access-log -d 'Append a line for every request to this file, which is opened again on SIGHUP; - is stdout.' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l access-log-format -d 'How those lines look. [default: combined]' -r -f -a "common\t''
combined\t''
json\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l metrics -d 'Serve metrics as Prometheus\'s text under /metrics, for those with a key of `api.keys`, or where there is none, for programs on the same machine. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l metrics-addr -d 'Serve the metrics here instead, apart from everything else and open to all who can connect.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l backplane -d 'Serve the same topics and rooms of Socket.IO as other nodes, which are connected by this broker: redis://, rediss://, nats:// or tls:// with HOST:PORT, and USER:PASSWORD@ before it where the broker wants that; or redis+sentinel://, with the name of the master behind the Sentinels: HOST:PORT,HOST:PORT/MASTER; or redis+cluster://, with some servers of a Redis Cluster: HOST:PORT,HOST:PORT.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l backplane-ca -d 'Believe a broker over TLS whose certificate is of an authority in this PEM file, in place of the system\'s; it is read when the node starts, and again for new connections when it has changed.' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l backplane-credentials -d 'Sign in to a broker of NATS with what is in this file: the seed of a key (NKey), or credentials, which are a JWT and the seed of its key; it is read when the node starts.' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l backplane-prefix -d 'What the names of everything begin with that is kept at the broker: nodes with another one are another cluster. [default: wireline]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l backplane-history -d 'Whether the nodes keep the history of topics together, so that clients go on with another node where they were; NATS cannot, and there each node has its own. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l backplane-ready -d 'Whether /ready is 503 while there is no connection to the broker. Topics work on each node alone meanwhile, so that a broker that fails need not take all nodes away. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l tls-cert -d 'Speak TLS with the certificate chain in this PEM file; it is watched, and read again on SIGHUP.' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l tls-key -d 'The private key of the certificate, PEM.' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l tls-self-signed -d 'Speak TLS with a certificate made now, which nobody trusts: for development. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l tls-client-ca -d 'Ask clients for a certificate of an authority in this PEM file, and refuse those without.' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l auth-jwt-secret -d 'Clients of the relay sign in with a JSON Web Token that is signed with this secret (HS256), of 32 octets or more.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l auth-jwks-file -d 'Clients of the relay sign in with a JSON Web Token that is signed with a key of this set (RFC 7517).' -r -F
complete -c wireline -n "__fish_wireline_needs_command" -l auth-issuer -d 'Who must have issued those tokens (`iss`).' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l auth-audience -d 'Who those tokens must be for (`aud`).' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l auth-api-keys -d 'Clients of the relay sign in with one of these keys in X-API-Key: NAME=KEY, or NAME=sha256:DIGEST with 64 hexadecimal digits. The name is the user. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l auth-required -d 'Whether clients of the relay have to sign in, once there is a way to. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l relay-on -d 'Serve the relay: topics over WebSocket, as event streams at /sse and by long polling at /poll. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l relay-path -d 'The path of its WebSocket. [default: /ws]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-origins -d 'The pages that may connect, beside the server\'s own: origins such as https://app.example; or `any`, or `same-origin`, alone. Unless it is set, foreign pages may, but not where a browser adds credentials by itself. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-unmatched -d 'Topics that are in no `relay.topics`: everybody may use them, or nobody. [default: broadcast]' -r -f -a "broadcast\t''
reject\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l relay-topics -d 'Topics that clients may use where `relay.unmatched` is `reject`: names, or beginnings with * behind them. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-token-topics -d 'Topics that want a token with each subscription, signed as those of `auth`. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-presence -d 'Whether subscribers are present in their topics, for those who ask. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l relay-max-message -d 'The longest message of a client. [default: 64 KiB]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-max-subscriptions -d 'The most subscriptions of a connection. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-messages-per-second -d 'The messages that a connection may send each second in the long run, and five times as many at once. [default: 200]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-octets-per-second -d 'The octets of messages that a connection may send each second in the long run, and four times as many at once, or one message of `relay.max_message` if that is more. [default: 1 MiB]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-subscriptions-per-second -d 'How often a connection may subscribe each second in the long run, and ten times as often at once, or as often as `relay.max_subscriptions` if that is more. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-topic-capacity -d 'The messages of a subscription that may wait for a slow client; beyond them the oldest is dropped, and the client told. [default: 128]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-max-waiting -d 'What may wait for a slow client in all; beyond it the client is closed with 1013. [default: 1 MiB]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l relay-max-history -d 'What all histories together may hold. [default: 64 MiB]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l history -d 'What is kept of topics for those who come back or come later. The first table whose pattern fits a topic counts; nothing is kept of topics that none fits. topics: A topic, or a beginning with * behind it. messages: The most messages that are kept of a topic. [default: 100] octets: The most octets that are kept of a topic, each message with 64 besides its own. [default: 1 MiB] age: How long a message is kept. [default: 10 min] May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l register-on -d 'Serve the register/publish service, which is open to everybody: POST /register, DELETE /register/{id}, GET /ws/{id}, POST /publish. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l register-topics -d 'The topics of a new client. [default: cats] May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l register-reply-pong -d 'Whether the text `ping` is answered with the text `pong`. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l register-max-clients -d 'The most clients at the same time; for one more, registering is answered 503. [default: 100000]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l register-max-clients-per-user -d 'The most clients of one user at the same time; for one more, registering is answered 429. [default: 1000]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l register-max-topics -d 'The most topics of a client. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l register-max-message -d 'The longest message, published or from a client. [default: 64 KiB]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l register-unconnected -d 'How long a client is kept that does not connect. [default: 1 h]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l socketio-on -d 'Serve Socket.IO: clients join, leave and emit to rooms by events of these names. Whoever may connect may. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l socketio-path -d 'Its path. [default: /socket.io/]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l socketio-namespaces -d 'Its namespaces, beside /. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l socketio-max-rooms -d 'The most rooms that a socket may be in. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l socketio-max-payload -d 'The longest message of a client. [default: 64 KiB]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l socketio-adapter -d 'How rooms are those of all nodes where there is a `backplane`: among servers of this kind; in the channels of npm\'s @socket.io/redis-adapter, together with servers of npm at the same Redis; or not at all. [default: backplane]' -r -f -a "backplane\t''
redis-npm\t''
none\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l socketio-adapter-key -d 'What the names of npm\'s channels begin with: the `key` of its adapter. [default: socket.io]' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l api-on -d 'Serve the HTTP API of the relay under /api. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l api-keys -d 'Who calls the HTTP API or reads the metrics has one of these keys: NAME=KEY, or NAME=sha256:DIGEST with 64 hexadecimal digits. Without any, programs on the same machine may. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l api-hosts -d 'Further names that the HTTP API and the metrics answer to without a key, beside localhost, 127.0.0.1 and [::1]. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_needs_command" -l console-on -d 'Serve the console at /, which shows what the HTTP API tells; without it there is a welcome page. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_needs_command" -l check -d 'Show every setting, and where it comes from, and do not serve.'
complete -c wireline -n "__fish_wireline_needs_command" -s h -l help -d 'Print help'
complete -c wireline -n "__fish_wireline_needs_command" -s V -l version -d 'Print version'
complete -c wireline -n "__fish_wireline_needs_command" -f -a "serve" -d 'Serve topics, an HTTP API and a console (the default)'
complete -c wireline -n "__fish_wireline_needs_command" -f -a "sub" -d 'Subscribe to topics of a relay, and print what comes, a line each'
complete -c wireline -n "__fish_wireline_needs_command" -f -a "pub" -d 'Publish to a topic of a relay'
complete -c wireline -n "__fish_wireline_needs_command" -f -a "bench" -d 'Measure a relay: what it delivers, how late, and whether anything is missing'
complete -c wireline -n "__fish_wireline_needs_command" -f -a "completions" -d 'Print what a shell needs to complete commands and flags'
complete -c wireline -n "__fish_wireline_needs_command" -f -a "man" -d 'Print the manual page: `wireline man | man -l -`'
complete -c wireline -n "__fish_wireline_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l config -d 'Read settings from this TOML file; the environment is stronger, and flags are stronger still.' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l addr -d 'Where to listen. Port 0 takes a free one. [default: 127.0.0.1:8000] May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l workers -d 'Worker threads; one for each core unless it is set.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l max-connections -d 'The most connections at the same time; further ones are answered 503. [default: 1024]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l max-connections-per-address -d 'The most connections at the same time of one IPv4 address or IPv6 /64, loopback aside; no limit unless it is set.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l public-url -d 'The address that clients know the server by, such as https://push.example: what stands in the addresses that the register service gives. Unless it is set, that is the address that a client has connected to.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l h2c -d 'Speak HTTP/2 without TLS, too, with clients that begin with it (prior knowledge). [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l proxy-protocol -d 'Every connection comes from a proxy at one of these networks and begins with a header of the PROXY protocol. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l trusted-proxy -d 'Take the word of proxies at these networks on who their clients are. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l trusted-field -d 'Where those proxies say it. [default: x-forwarded-for]' -r -f -a "x-forwarded-for\t''
forwarded\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l redirect-http -d 'Listen here in plain HTTP, too, and send everybody to https at the port of the first addr.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l log -d 'Write spans and events to stderr in this form; RUST_LOG says which (info unless it is set). No log unless it is set.' -r -f -a "text\t''
json\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l access-log -d 'Append a line for every request to this file, which is opened again on SIGHUP; - is stdout.' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l access-log-format -d 'How those lines look. [default: combined]' -r -f -a "common\t''
combined\t''
json\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l metrics -d 'Serve metrics as Prometheus\'s text under /metrics, for those with a key of `api.keys`, or where there is none, for programs on the same machine. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l metrics-addr -d 'Serve the metrics here instead, apart from everything else and open to all who can connect.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l backplane -d 'Serve the same topics and rooms of Socket.IO as other nodes, which are connected by this broker: redis://, rediss://, nats:// or tls:// with HOST:PORT, and USER:PASSWORD@ before it where the broker wants that; or redis+sentinel://, with the name of the master behind the Sentinels: HOST:PORT,HOST:PORT/MASTER; or redis+cluster://, with some servers of a Redis Cluster: HOST:PORT,HOST:PORT.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l backplane-ca -d 'Believe a broker over TLS whose certificate is of an authority in this PEM file, in place of the system\'s; it is read when the node starts, and again for new connections when it has changed.' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l backplane-credentials -d 'Sign in to a broker of NATS with what is in this file: the seed of a key (NKey), or credentials, which are a JWT and the seed of its key; it is read when the node starts.' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l backplane-prefix -d 'What the names of everything begin with that is kept at the broker: nodes with another one are another cluster. [default: wireline]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l backplane-history -d 'Whether the nodes keep the history of topics together, so that clients go on with another node where they were; NATS cannot, and there each node has its own. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l backplane-ready -d 'Whether /ready is 503 while there is no connection to the broker. Topics work on each node alone meanwhile, so that a broker that fails need not take all nodes away. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l tls-cert -d 'Speak TLS with the certificate chain in this PEM file; it is watched, and read again on SIGHUP.' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l tls-key -d 'The private key of the certificate, PEM.' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l tls-self-signed -d 'Speak TLS with a certificate made now, which nobody trusts: for development. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l tls-client-ca -d 'Ask clients for a certificate of an authority in this PEM file, and refuse those without.' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l auth-jwt-secret -d 'Clients of the relay sign in with a JSON Web Token that is signed with this secret (HS256), of 32 octets or more.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l auth-jwks-file -d 'Clients of the relay sign in with a JSON Web Token that is signed with a key of this set (RFC 7517).' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l auth-issuer -d 'Who must have issued those tokens (`iss`).' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l auth-audience -d 'Who those tokens must be for (`aud`).' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l auth-api-keys -d 'Clients of the relay sign in with one of these keys in X-API-Key: NAME=KEY, or NAME=sha256:DIGEST with 64 hexadecimal digits. The name is the user. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l auth-required -d 'Whether clients of the relay have to sign in, once there is a way to. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-on -d 'Serve the relay: topics over WebSocket, as event streams at /sse and by long polling at /poll. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-path -d 'The path of its WebSocket. [default: /ws]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-origins -d 'The pages that may connect, beside the server\'s own: origins such as https://app.example; or `any`, or `same-origin`, alone. Unless it is set, foreign pages may, but not where a browser adds credentials by itself. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-unmatched -d 'Topics that are in no `relay.topics`: everybody may use them, or nobody. [default: broadcast]' -r -f -a "broadcast\t''
reject\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-topics -d 'Topics that clients may use where `relay.unmatched` is `reject`: names, or beginnings with * behind them. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-token-topics -d 'Topics that want a token with each subscription, signed as those of `auth`. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-presence -d 'Whether subscribers are present in their topics, for those who ask. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-max-message -d 'The longest message of a client. [default: 64 KiB]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-max-subscriptions -d 'The most subscriptions of a connection. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-messages-per-second -d 'The messages that a connection may send each second in the long run, and five times as many at once. [default: 200]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-octets-per-second -d 'The octets of messages that a connection may send each second in the long run, and four times as many at once, or one message of `relay.max_message` if that is more. [default: 1 MiB]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-subscriptions-per-second -d 'How often a connection may subscribe each second in the long run, and ten times as often at once, or as often as `relay.max_subscriptions` if that is more. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-topic-capacity -d 'The messages of a subscription that may wait for a slow client; beyond them the oldest is dropped, and the client told. [default: 128]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-max-waiting -d 'What may wait for a slow client in all; beyond it the client is closed with 1013. [default: 1 MiB]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l relay-max-history -d 'What all histories together may hold. [default: 64 MiB]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l history -d 'What is kept of topics for those who come back or come later. The first table whose pattern fits a topic counts; nothing is kept of topics that none fits. topics: A topic, or a beginning with * behind it. messages: The most messages that are kept of a topic. [default: 100] octets: The most octets that are kept of a topic, each message with 64 besides its own. [default: 1 MiB] age: How long a message is kept. [default: 10 min] May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-on -d 'Serve the register/publish service, which is open to everybody: POST /register, DELETE /register/{id}, GET /ws/{id}, POST /publish. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-topics -d 'The topics of a new client. [default: cats] May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-reply-pong -d 'Whether the text `ping` is answered with the text `pong`. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-max-clients -d 'The most clients at the same time; for one more, registering is answered 503. [default: 100000]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-max-clients-per-user -d 'The most clients of one user at the same time; for one more, registering is answered 429. [default: 1000]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-max-topics -d 'The most topics of a client. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-max-message -d 'The longest message, published or from a client. [default: 64 KiB]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l register-unconnected -d 'How long a client is kept that does not connect. [default: 1 h]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l socketio-on -d 'Serve Socket.IO: clients join, leave and emit to rooms by events of these names. Whoever may connect may. [default: false]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l socketio-path -d 'Its path. [default: /socket.io/]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l socketio-namespaces -d 'Its namespaces, beside /. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l socketio-max-rooms -d 'The most rooms that a socket may be in. [default: 50]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l socketio-max-payload -d 'The longest message of a client. [default: 64 KiB]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l socketio-adapter -d 'How rooms are those of all nodes where there is a `backplane`: among servers of this kind; in the channels of npm\'s @socket.io/redis-adapter, together with servers of npm at the same Redis; or not at all. [default: backplane]' -r -f -a "backplane\t''
redis-npm\t''
none\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l socketio-adapter-key -d 'What the names of npm\'s channels begin with: the `key` of its adapter. [default: socket.io]' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l api-on -d 'Serve the HTTP API of the relay under /api. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l api-keys -d 'Who calls the HTTP API or reads the metrics has one of these keys: NAME=KEY, or NAME=sha256:DIGEST with 64 hexadecimal digits. Without any, programs on the same machine may. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l api-hosts -d 'Further names that the HTTP API and the metrics answer to without a key, beside localhost, 127.0.0.1 and [::1]. May be given several times.' -r -f
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l console-on -d 'Serve the console at /, which shows what the HTTP API tells; without it there is a welcome page. [default: true]' -r -f -a "true\t''
false\t''"
complete -c wireline -n "__fish_wireline_using_subcommand serve" -l check -d 'Show every setting, and where it comes from, and do not serve.'
complete -c wireline -n "__fish_wireline_using_subcommand serve" -s h -l help -d 'Print help'
complete -c wireline -n "__fish_wireline_using_subcommand sub" -l rewind -d 'Begin with the newest messages that are kept, this many at most' -r
complete -c wireline -n "__fish_wireline_using_subcommand sub" -l token -d 'A token, for topics that want one' -r
complete -c wireline -n "__fish_wireline_using_subcommand sub" -l bearer -d 'Sign in with this token, as Authorization: Bearer' -r
complete -c wireline -n "__fish_wireline_using_subcommand sub" -l ca -d 'Trust the authorities in this PEM file in place of the system\'s' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand sub" -l presence -d 'Tell who is present, and every change of that'
complete -c wireline -n "__fish_wireline_using_subcommand sub" -l json -d 'Print every event as one line of JSON'
complete -c wireline -n "__fish_wireline_using_subcommand sub" -s h -l help -d 'Print help'
complete -c wireline -n "__fish_wireline_using_subcommand pub" -l key -d 'The key of the HTTP API' -r
complete -c wireline -n "__fish_wireline_using_subcommand pub" -l bearer -d 'Sign in with this token, as Authorization: Bearer' -r
complete -c wireline -n "__fish_wireline_using_subcommand pub" -l ca -d 'Trust the authorities in this PEM file in place of the system\'s' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand pub" -s h -l help -d 'Print help'
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l subscribers -d 'Connections that subscribe to a topic each' -r
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l topics -d 'Topics; subscribers and messages take turns' -r
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l rate -d 'Messages that are published each second, over all topics' -r
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l size -d 'The octets of a message\'s payload, 64 at the least' -r
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l seconds -d 'How long to publish' -r
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l prefix -d 'How the topics\' names begin; a number follows' -r
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l bearer -d 'Sign in with this token, as Authorization: Bearer' -r
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l ca -d 'Trust the authorities in this PEM file in place of the system\'s' -r -F
complete -c wireline -n "__fish_wireline_using_subcommand bench" -l json -d 'Print the report as one line of JSON'
complete -c wireline -n "__fish_wireline_using_subcommand bench" -s h -l help -d 'Print help'
complete -c wireline -n "__fish_wireline_using_subcommand completions" -s h -l help -d 'Print help'
complete -c wireline -n "__fish_wireline_using_subcommand man" -s h -l help -d 'Print help'
complete -c wireline -n "__fish_wireline_using_subcommand help; and not __fish_seen_subcommand_from serve sub pub bench completions man help" -f -a "serve" -d 'Serve topics, an HTTP API and a console (the default)'
complete -c wireline -n "__fish_wireline_using_subcommand help; and not __fish_seen_subcommand_from serve sub pub bench completions man help" -f -a "sub" -d 'Subscribe to topics of a relay, and print what comes, a line each'
complete -c wireline -n "__fish_wireline_using_subcommand help; and not __fish_seen_subcommand_from serve sub pub bench completions man help" -f -a "pub" -d 'Publish to a topic of a relay'
complete -c wireline -n "__fish_wireline_using_subcommand help; and not __fish_seen_subcommand_from serve sub pub bench completions man help" -f -a "bench" -d 'Measure a relay: what it delivers, how late, and whether anything is missing'
complete -c wireline -n "__fish_wireline_using_subcommand help; and not __fish_seen_subcommand_from serve sub pub bench completions man help" -f -a "completions" -d 'Print what a shell needs to complete commands and flags'
complete -c wireline -n "__fish_wireline_using_subcommand help; and not __fish_seen_subcommand_from serve sub pub bench completions man help" -f -a "man" -d 'Print the manual page: `wireline man | man -l -`'
complete -c wireline -n "__fish_wireline_using_subcommand help; and not __fish_seen_subcommand_from serve sub pub bench completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
