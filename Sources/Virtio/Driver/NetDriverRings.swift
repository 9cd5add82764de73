// The two rings of a started driver with the memory they lie in. They live from the set-up of the
// queues until the device has said that its reset is complete, and not a moment less.

/// Both queues of a driver. Their memory goes back to the heap with the value.
struct NetDriverRings: ~Copyable {
    let plan: NetRingPlan
    var receive: NetReceiveQueue
    var transmit: NetTransmitQueue

    init(_ plan: NetRingPlan, heap: GuestHeap, features: UInt64) throws(VirtioError) {
        let receive = try NetReceiveQueue(
            NetQueueShape(size: plan.receiveSize, bufferBytes: plan.bufferSize, features: features), heap: heap)
        let transmit = try NetTransmitQueue(
            NetQueueShape(size: plan.transmitSize, bufferBytes: plan.slotSize, features: features), heap: heap)
        self.plan = plan
        self.receive = receive
        self.transmit = transmit
    }
}
