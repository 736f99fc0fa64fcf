import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.KinesisEvent;
import com.amazonaws.services.lambda.runtime.events.StreamsEventResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Reads a batch of a stream with AWS's own classes and names the first record that says so as failed. */
public class Stream implements RequestHandler<KinesisEvent, StreamsEventResponse> {
    @Override
    public StreamsEventResponse handleRequest(KinesisEvent event, Context context) {
        List<StreamsEventResponse.BatchItemFailure> failures = new ArrayList<>();
        for (KinesisEvent.KinesisEventRecord it : event.getRecords()) {
            KinesisEvent.Record record = it.getKinesis();
            String text = StandardCharsets.UTF_8.decode(record.getData()).toString();
            System.out.println("record " + record.getSequenceNumber() + " " + text + " " + record.getPartitionKey() + " "
                + record.getApproximateArrivalTimestamp().getTime());
            if (text.contains("bad") && failures.isEmpty()) {
                failures.add(new StreamsEventResponse.BatchItemFailure(record.getSequenceNumber()));
            }
        }
        return new StreamsEventResponse(failures);
    }
}
