// host-peer SERVICE…: what a guest talks to on the host, for tests, the demo and the bench. Blocking, one thread per
// connection; prints `ready` when every service listens, then a line for each finished connection. Ends by a signal.
//
//   echo:PORT[:0:RATE] TCP and UDP, everything comes back
//   source:PORT:BYTES  TCP: sends so many bytes of the pattern and closes; says the longest time it had to wait
//   sink:PORT          TCP: reads to the end
//   ramp:PORT[:0:RATE] TCP: reads a counting stream and looks at every byte;   mute:PORT  closes its sending side before
//   say:PORT:BYTES[:RATE]  TCP: says one, closes, reads to the end; 0 bytes: until SIGUSR1 comes
//   late:PORT, gate:PORT:BYTES  as ramp and say, once SIGUSR1 has come; gate says its first word before
//   call-ramp:PORT[:0:RATE], call-say:PORT:BYTES[:RATE], call-gate:PORT:BYTES  the same, calling at that port of the host
//   half:PORT          TCP: closes its sending side, then reads to the end
//   fast:PORT          TCP: sends for ever;   discard:PORT  TCP: reads without looking
//   http:PORT          HTTP/1.1 GET /bytes/N: N bytes of the pattern; /: a line
//   dns:PORT           UDP: every A question gets 192.0.2.53, names under .invalid do not exist

import Glibc

signal(SIGPIPE, SIG_IGN)
Gate.prepare()
for argument in CommandLine.arguments.dropFirst() {
    guard let service = Service(argument), service.start() else {
        report("host-peer: cannot serve \(argument): \(String(cString: strerror(errno)))")
        exit(1)
    }
}
report("ready")
while true { pause() }
