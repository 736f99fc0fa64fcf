import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.LinkedHashMap;
import java.util.Map;

/** A function that does what its event says. */
public class App implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        if ("fail".equals(event.get("do"))) {
            throw new IllegalStateException("boom é");
        }
        if ("panic".equals(event.get("do"))) {
            throw new StackOverflowError("all is lost");
        }
        if ("exit".equals(event.get("do"))) {
            Runtime.getRuntime().halt(3);
        }
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("text", event.get("text"));
        answer.put("n_bytes", String.valueOf(event.getOrDefault("filler", "")).length());
        answer.put("request_id", context.getAwsRequestId());
        answer.put("pid", ProcessHandle.current().pid());
        return answer;
    }
}
