import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** A function whose start fails. */
public class Broken implements RequestHandler<Object, Object> {
    public Broken() {
        throw new IllegalStateException("no start");
    }

    @Override
    public Object handleRequest(Object event, Context context) {
        return null;
    }
}
